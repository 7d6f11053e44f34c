"""Exports to CSV, NDJSON and Parquet: in flat memory, whole or not at all, and gone on with where they were cut off.

    await export_campaigns(client, "campaigns.csv")
    await export_contacts(client, "contacts.ndjson.gz", all_campaigns=True, unfinished="resume")
    await export_contacts(client, "golf.parquet", ["3fa85f64"], fields=["phoneNumber", "name"])

A file appears under its name when it is whole. Until then it is `NAME.part`, with what a later run needs to go on beside
it; a page whose rows were written is not fetched again.
"""

from campaigns_async.export.errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    UnwritableValueError,
)
from campaigns_async.export.exporting import export_campaigns, export_contacts
from campaigns_async.export.options import CsvOptions, Format
from campaigns_async.export.summary import ExportProgress, ExportSummary

__all__ = [
    "CsvOptions",
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
