"""All commands of `maas agents`: importing a module of commands adds them."""

from gateway.cli.agents import (
    board,
    commands,
    history,
    learning,
    replays,
    rounds,
    runs,
    savings,
    schedules,
)

COMMAND_MODULES = (
    *(commands, history, learning, replays, runs, savings),
    *(schedules, rounds, board),
)
agents_app = commands.agents_app
