import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_audit.anchors import FileAnchor, LoggerAnchor
from asgi_audit.errors import ConfigurationError
from tests.contracts.anchor_contract import LOG, AnchorContract, Maker, Reader, checkpoint


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """One of the test's own, at INFO, that nobody else hears."""
    logger = logging.getLogger(f"tests.anchors.{request.node.name}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


class Lines(logging.Handler):
    """Keeps what it is given, and who gave it."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.kept: list[logging.LogRecord] = []
        self.threads: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)
        self.threads.add(threading.get_ident())


class TestLoggerAnchor(AnchorContract):
    """The file that the logger writes is read as any other that holds checkpoints."""

    @pytest.fixture
    def make(self, logger: logging.Logger, tmp_path: Path) -> Maker:
        handler = logging.FileHandler(tmp_path / "log", encoding="ascii")
        handler.setFormatter(logging.Formatter("%(asctime)s {%(process)d} %(levelname)s %(message)s"))
        logger.addHandler(handler)
        return lambda: LoggerAnchor(logger.name)

    @pytest.fixture
    def read(self, tmp_path: Path) -> Reader:
        return lambda: list(FileAnchor(tmp_path / "log").read())


@pytest.mark.asyncio
async def test_logs_one_line_at_info(logger: logging.Logger) -> None:
    """In a thread, since handlers may block."""
    handler = Lines()
    logger.addHandler(handler)
    await LoggerAnchor(logger.name).publish(checkpoint(1))
    [record] = handler.kept
    assert (record.levelno, record.name) == (logging.INFO, logger.name)
    assert json.loads(record.getMessage())["checkpoint"] == checkpoint(1)
    assert threading.get_ident() not in handler.threads


@pytest.mark.asyncio
async def test_structured_logs_can_be_read_back(logger: logging.Logger, tmp_path: Path) -> None:
    """A formatter that writes objects, with what it finds on the record, needs no other configuration."""

    class Structured(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"message": record.getMessage(), "checkpoint": vars(record)["checkpoint"]})

    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(Structured())
    logger.addHandler(handler)
    await LoggerAnchor(logger.name).publish(checkpoint(1))
    assert list(FileAnchor(tmp_path / "log").read()) == [checkpoint(1)]


@pytest.mark.asyncio
async def test_a_handler_further_up_is_enough(logger: logging.Logger) -> None:
    """As the logging module has it."""
    handler = Lines()
    logger.addHandler(handler)
    below = LoggerAnchor(f"{logger.name}.below")
    await below.publish(checkpoint(1))
    assert len(handler.kept) == 1
    assert await below.newest(LOG) == checkpoint(1)


@pytest.mark.asyncio
@pytest.mark.parametrize("handlers", [[], [Lines(logging.WARNING)], [logging.NullHandler()]])
async def test_a_logger_that_nobody_hears_is_refused(logger: logging.Logger, handlers: list[logging.Handler]) -> None:
    """Nothing is lost in silence, and what was refused is not the newest."""
    anchor = LoggerAnchor(logger.name)
    logger.handlers[:] = [*handlers, Lines()]
    await anchor.publish(checkpoint(1))
    logger.handlers[:] = handlers
    with pytest.raises(OSError, match=r"^logger:tests\.anchors\..* has no handler that takes INFO: add one$"):
        await anchor.publish(checkpoint(2))
    assert await anchor.newest(LOG) == checkpoint(1)


@pytest.mark.asyncio
@pytest.mark.parametrize(("attribute", "value"), [("level", logging.WARNING), ("disabled", True)])
async def test_a_logger_that_says_nothing_is_refused(logger: logging.Logger, attribute: str, value: object) -> None:
    """As one that has no level of its own, while the root's is WARNING."""
    logger.addHandler(Lines())
    setattr(logger, attribute, value)
    with pytest.raises(OSError, match=r"^logger:tests\.anchors\..* is not enabled for INFO: set its level$"):
        await LoggerAnchor(logger.name).publish(checkpoint(1))


def test_a_logger_cannot_be_read() -> None:
    """The error says what can."""
    with pytest.raises(ConfigurationError, match=r"anchor='logger:a\.b': .*; give the file that it writes to"):
        LoggerAnchor("a.b").read()
    assert repr(LoggerAnchor()) == "LoggerAnchor('asgi_audit.checkpoints')"
    assert LoggerAnchor().name == "logger:asgi_audit.checkpoints"
