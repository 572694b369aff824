"""What many tests start from: the project's shared data, and real photographs that ship inside installed packages."""

from pathlib import Path

import chromium
import pytest

from dedup_core.corpus.photographs import installed_photographs
from dedup_core.errors import SettingsError

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder with golden data and test pictures that stands beside the project, not in it."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared, which is absent")
    return SHARED


@pytest.fixture(scope="session")
def photographs():
    """Real photographs that show different things, as paths."""
    try:
        return installed_photographs()
    except SettingsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser without a window, for the tests of one file."""
    pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
    started = chromium.start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def keras():
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'dedup-core[cnn]'")
    return tensorflow.keras


@pytest.fixture(scope="session")
def seeded_weights(keras, tmp_path_factory):
    """A file of random weights, written by Keras itself."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(include_top=False, pooling="avg", input_shape=(224, 224, 3), weights=None)
    path = tmp_path_factory.mktemp("weights") / "seeded.weights.h5"
    network.save_weights(path)
    return path
