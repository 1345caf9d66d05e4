"""What a study's numbers may claim: intervals, ties, noise, agreement of proxies, the winner's curse, which gene won.

Pure functions of numbers. Every random draw is fixed, so the same scores give the same statistics.
"""
