"""Step 4: into nbgrader's own `gradebook`, through its API; what it says now (`marks`), points given by hand
included; and the notebook and the record that lie in autograded/ (`autograded`).
"""
