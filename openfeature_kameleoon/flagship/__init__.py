"""AB Tasty Flagship: its engine, the faces of its SDK, and an OpenFeature provider; for those who ask for it."""
