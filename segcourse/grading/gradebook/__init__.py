"""Step 4: record results in nbgrader's own gradebook, through its API.

`writer` writes results, `marks` reads what the gradebook says now, including points given by hand, and
`autograded` writes the notebook and the record in autograded/.
"""
