"""Step 5: write each student's `feedback` page and the `class_report`, filled in by Jinja (`templates`).

The class report reads the `records` of grading. It summarises them (`class_statistics`, `item_analysis`),
flags answers that deserve a look (`flags`), and shows them as `charts` and CSV (`csv_tables`).
"""
