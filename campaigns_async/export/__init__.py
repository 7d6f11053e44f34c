"""Exports to CSV, NDJSON and Parquet, in flat memory.

A file is complete or does not exist. An unfinished CSV or NDJSON export can be resumed.

    await export_campaigns(client, "campaigns.csv")
    await export_contacts(client, "contacts.ndjson.gz", all_campaigns=True, unfinished="resume")
    await export_contacts(client, "golf.parquet", ["3fa85f64"], fields=["phoneNumber", "name"])

Until a file is complete, its rows are in `NAME.part`. The state file `NAME.part.progress` lets a later run resume it.
"""

from campaigns_async.export._exports import export_campaigns, export_contacts
from campaigns_async.export._options import ExportProgress, ExportSummary, Format
from campaigns_async.export.export_errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    UnwritableValueError,
)

__all__ = [
    "ExportError",
    "ExportInUseError",
    "ExportProgress",
    "ExportSummary",
    "ExportWriteError",
    "Format",
    "ResumeError",
    "UnfinishedExportError",
    "UnwritableValueError",
    "export_campaigns",
    "export_contacts",
]
