"""The three forms of a list of records: a table for people, JSON lines and CSV for programs."""

import argparse
import sys
from collections.abc import Iterable
from typing import Protocol

from asgi_audit.cli.output import Output, standard_output
from asgi_audit.cli.selection import zone_of
from asgi_audit.cli.spreadsheet import Spreadsheet
from asgi_audit.cli.table import Table
from asgi_audit.record import Record, encode


class Printer(Protocol):
    """Prints records as they come."""

    def print(self, records: Iterable[Record]) -> None:
        """Print some more."""


class TablePrinter:
    """Rows below titles."""

    def __init__(self, table: Table, out: Output) -> None:
        self._table = table
        self._out = out

    def print(self, records: Iterable[Record]) -> None:
        """Print rows."""
        for pieces in self._table.lines(records):
            self._out.line(*pieces)
        sys.stdout.flush()


class JSONPrinter:
    """One JSON object per line, exactly as stored."""

    def print(self, records: Iterable[Record]) -> None:
        """Print objects."""
        for record in records:
            print(encode(record).decode())
        sys.stdout.flush()


class CSVPrinter:
    """Rows of a spreadsheet."""

    def __init__(self) -> None:
        self._spreadsheet = Spreadsheet(sys.stdout)

    def print(self, records: Iterable[Record]) -> None:
        """Print rows."""
        for record in records:
            self._spreadsheet.write(record)


def printer_for(arguments: argparse.Namespace) -> Printer:
    """The form that was asked for."""
    if arguments.form == "json":
        return JSONPrinter()
    if arguments.form == "csv":
        return CSVPrinter()
    out = standard_output()
    return TablePrinter(Table(out.width, zone_of(arguments)), out)
