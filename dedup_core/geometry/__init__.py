"""Do two pictures show one picture? Their keypoints say how one lies on the other, and their small pictures whether."""
