"""`make validate`: every check, test, benchmark ratio and complexity figure in one report, beside the accepted one.

python -m tools.validate                      everything anew: over an hour
python -m tools.validate --results FOLDER     what is there is taken, what is not is made
python -m tools.validate --accept             keep the report as the accepted one, when nothing is worse
"""
