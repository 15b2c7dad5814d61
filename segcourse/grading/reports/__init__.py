"""Step 5: tell each student (`feedback`) and the teacher (`report`), as `pages` filled in by Jinja.

The report reads what grading left behind (`records`), and adds it up (`class_figures`, `item_analysis`,
`worth_a_look`) into plots (`class_charts`) and CSV (`tables`).
"""
