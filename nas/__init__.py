"""The study itself: what is searched, how it is judged, who won. No torch, no ray, no fastapi."""
