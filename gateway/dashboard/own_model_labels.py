"""Labels of models that customers train: uses and types of columns, statuses, problems of tables.

The texts are English and marked for extraction to the translation catalogs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

# By the audit log's action.
OWN_MODEL_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "comparison.created": gettext_noop("Started a comparison of models"),
        "comparison.canceled": gettext_noop("Canceled a comparison of models"),
        "comparison.deleted": gettext_noop("Deleted a comparison of models"),
        "model.retraining_set": gettext_noop("Changed the schedule of a model's training"),
        "model.retraining_deleted": gettext_noop("Deleted the schedule of a model's training"),
        "model.shadow_started": gettext_noop("Started a shadow deployment"),
        "model.shadow_stopped": gettext_noop("Stopped a shadow deployment"),
        "observations.deleted": gettext_noop("Deleted observed results"),
        "model.trained": gettext_noop("Started to train a model"),
        "model.predicted": gettext_noop("Predicted a table with a model"),
        "model.activated": gettext_noop("Changed the version of a model"),
        "model.rolled_back": gettext_noop("Rolled a model back"),
        "model.deleted": gettext_noop("Deleted a model"),
        "model.accepted": gettext_noop("Accepted a rejected model"),
        "model.canceled": gettext_noop("Cancelled the training of a model"),
    }
)

OWN_MODEL_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "training": {
            "queued": gettext_noop("Queued"),
            "running": gettext_noop("Running"),
            "succeeded": gettext_noop("Succeeded"),
            "failed": gettext_noop("Failed"),
            "cancelled": gettext_noop("Cancelled"),
        },
        "activation": {
            "trained": gettext_noop("New version trained"),
            "chosen": gettext_noop("Chosen"),
            "rollback": gettext_noop("Rolled back"),
        },
        "log_level": {
            "warn": gettext_noop("Warning"),
            "error": gettext_noop("Error"),
        },
        # Of decision records, by models/findings.
        "verdict": {
            "yes": gettext_noop("Yes"),
            "no": gettext_noop("No"),
            "label": gettext_noop("Classified"),
            "value": gettext_noop("Figures only"),
            "uncertain": gettext_noop("Uncertain"),
        },
        # By the catalog's `adapter`.
        "own_model": {
            "anomaly": gettext_noop("Anomalies, from rows of normal operation"),
            "series_classifier": gettext_noop("A class of a time series, such as a fault"),
            "series_forecaster": gettext_noop("A forecast, such as the load of the next days"),
            "series_life": gettext_noop("Remaining life, from histories up to the failure"),
            "surface_defect": gettext_noop("A class of an image, such as a surface defect"),
            "tabular_classifier": gettext_noop("A class, such as good or faulty"),
            "tabular_regressor": gettext_noop("A number, such as wear in mm"),
        },
        # By models/evaluation/statistics.py, of the first model of a comparison.
        "verdict_of_first": {
            "better": gettext_noop("First model better"),
            "worse": gettext_noop("First model worse"),
            "no_difference_shown": gettext_noop("No difference shown"),
        },
        "verdict_of_trained": {
            "better": gettext_noop("Trained model better"),
            "worse": gettext_noop("Ready-made model better"),
            "no_difference_shown": gettext_noop("No difference shown"),
        },
        "verdict_of_candidate": {
            "better": gettext_noop("Candidate better"),
            "worse": gettext_noop("Candidate worse"),
            "no_difference_shown": gettext_noop("No difference shown"),
        },
        "retraining_every": {
            "week": gettext_noop("Every week"),
            "month": gettext_noop("Every month"),
            "drift": gettext_noop("On significant drift"),
            "confirmations": gettext_noop("After enough confirmed mappings of plant points"),
        },
        "retraining": {
            "started": gettext_noop("Running"),
            "activated": gettext_noop("In use"),
            "proposed": gettext_noop("Proposed"),
            "rejected": gettext_noop("Rejected"),
            "failed": gettext_noop("Failed"),
            "skipped": gettext_noop("Skipped"),
        },
        "shadow": {
            "running": gettext_noop("Running"),
            "completed": gettext_noop("Limit reached"),
            "stopped": gettext_noop("Stopped"),
            "promoted": gettext_noop("Candidate in use"),
        },
        # By models/observed/clusters.py.
        "clusters": {
            "machine": gettext_noop("The intervals count rows of one machine together."),
            "time": gettext_noop("The intervals count neighboring rows in time together."),
            "row": gettext_noop("The intervals assume that all rows are independent."),
        },
        # By models/drift/psi.py.
        "drift_level": {
            "none": gettext_noop("No drift"),
            "moderate": gettext_noop("Moderate drift"),
            "significant": gettext_noop("Significant drift"),
        },
        "column_role": {
            "input": gettext_noop("Input"),
            "target": gettext_noop("Result to predict"),
            "machine": gettext_noop("Machine"),
            "time": gettext_noop("Time"),
            "ignored": gettext_noop("Not used"),
        },
        "column_type": {
            "number": gettext_noop("Numbers"),
            "category": gettext_noop("Categories"),
            "time": gettext_noop("Time"),
            "text": gettext_noop("Text"),
            "empty": gettext_noop("Empty"),
        },
        # By the problem's code (models/tables/, models/*/data.py, models/series/).
        "table_problem": {
            "empty_file": gettext_noop("The file has no rows."),
            "no_header": gettext_noop("Write the name of each column in the first row."),
            "duplicate_header": gettext_noop("Two columns have the same name."),
            "missing_header": gettext_noop("A column has no name."),
            "invalid_name": gettext_noop("This name cannot be used. Rename the column."),
            "too_many_cells": gettext_noop("The row has more cells than the header."),
            "invalid_csv": gettext_noop("The quotation marks of this line do not match."),
            "cell_too_long": gettext_noop("A cell has more than 10,000 characters."),
            "encoding": gettext_noop("The text encoding is not known. Save the file as UTF-8."),
            "mixed_encodings": gettext_noop(
                "The file mixes text encodings. Save the file as UTF-8."
            ),
            "too_many_columns": gettext_noop("The table has more than 1,000 columns."),
            "too_many_rows": gettext_noop("The table has more than 1,000,000 rows."),
            "invalid_json": gettext_noop("The line is not valid JSON."),
            "wrong_form": gettext_noop("The line does not have the documented form."),
            "wrong_type": gettext_noop(
                "A cell is not of the column's type. Correct it, or choose another type or use."
            ),
            "file_too_large": gettext_noop("The workbook is too large. Save the sheet as CSV."),
            "invalid_workbook": gettext_noop("The workbook cannot be read. Save it again."),
            "unknown_column": gettext_noop("The file has no such column."),
            "unit": gettext_noop("This unit is not known."),
            "missing_target": gettext_noop("Choose the column with the result to predict."),
            "too_many_classes": gettext_noop(
                "The result has more than 50 different values. Predict a number instead."
            ),
            "no_inputs": gettext_noop("No column is left as an input."),
            "too_few_rows": gettext_noop(
                "There are too few rows: at least 30, and 5 of each class."
            ),
            "constant_target": gettext_noop("The result is the same in all rows."),
            "contradicting_rows": gettext_noop(
                "Many rows have the same inputs and different results. Add columns that tell them "
                "apart."
            ),
            "invalid_costs": gettext_noop("The costs cannot be used. See the name of the field."),
            "unsupported_setting": gettext_noop("This setting has no meaning for this model."),
            "empty_machine": gettext_noop("Rows have no machine. Fill it in."),
            "empty_time": gettext_noop("Rows have no time. Fill it in, or use no time column."),
            "repeated_time": gettext_noop(
                "A machine has several rows with the same time. Give each series its own name in "
                "the machine column."
            ),
            "too_few_machines": gettext_noop(
                "Too few machines ran to failure: at least 3, each with 10 rows."
            ),
            "too_few_series": gettext_noop(
                "There are too few series or windows: at least 30, and 5 of each class."
            ),
            "no_normal_label": gettext_noop(
                "No label says normal operation. Name the label, or use no result column: then all "
                "rows are taken as normal."
            ),
            "too_few_normal_rows": gettext_noop(
                "There are too few rows of normal operation: at least 60."
            ),
            "out_of_range": gettext_noop("Readings are too large. Check them."),
            "unknown_machine": gettext_noop("The file has no such machine."),
            "negative_life": gettext_noop("A remaining life cannot be negative."),
            "missing_time": gettext_noop("Choose the column with the time of each row."),
            "irregular_times": gettext_noop(
                "The times are not equally spaced, or one is mistyped. Average the readings in "
                "equal steps."
            ),
            "duplicate_times": gettext_noop(
                "Many rows have the same time. If they are of different machines, choose the "
                "machine column."
            ),
            "too_short_series": gettext_noop(
                "The series is too short: at least 60 steps without a long gap."
            ),
            # Of images (models/surface_defect/).
            "contradiction": gettext_noop("The same image is in two classes. Keep the right one."),
            "invalid_image": gettext_noop(
                "The image is damaged, or of a kind that cannot be read. Replace it."
            ),
            "invalid_label": gettext_noop("The name of the class cannot be used."),
            "invalid_zip": gettext_noop("The ZIP is damaged. Create it again."),
            "no_folder": gettext_noop(
                "The image is in no folder. Put it into a folder named after its class."
            ),
            "no_images": gettext_noop("The ZIP has no images. Add a folder for each class."),
            "too_few_classes": gettext_noop("There are too few classes: at least 2."),
            "too_few_of_a_class": gettext_noop("A class has too few different images: at least 5."),
            "too_many_images": gettext_noop("There are more than 2,000 images."),
            "too_many_labels": gettext_noop("There are more than 100 classes."),
            "zip_too_large": gettext_noop(
                "The ZIP has too many files, or they are too large. Scale the images down."
            ),
            "unsuitable_file": gettext_noop("The file cannot be used for this model."),
        },
    }
)
