"""What a study may claim: its report, as one document and as one page, and the tie groups on its leaderboard."""
