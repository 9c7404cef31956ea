"""``make serve``: the stack with the demo's data, in the foreground until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from stack.assembly import Stack, running_stack
from stack.demo import run_main_job
from stack.log_follow import LogFollower
from stack.mail_sink import kept_mails
from stack.progress import Progress

PAUSE_SECONDS = 0.3


def run_serve(environment: Mapping[str, str], *, load: bool) -> NoReturn:
    """Start the stack, ``load`` the data, print the addresses, then the logs. Raises StackError when a process dies."""
    progress = Progress(sys.stdout)
    progress.say("Gridcast: starting the stack; Ctrl-C stops all of it\n")
    with running_stack(environment, progress=progress) as stack:
        if load:
            run_main_job(stack, progress=progress)
        progress.say(addresses(stack))
        _follow(stack, progress)


def addresses(stack: Stack) -> str:
    """Where everything answers and who may log in."""
    users = stack.credentials["users"]
    lines = [
        "",
        f"  portal    {stack.portal_url}/admin/",
        f"  REST API  {stack.portal_url}/api/docs/    token: {stack.credentials['service_token']}",
        f"  Airflow   {stack.airflow_url}/",
        f"  mails     {stack.mail}" if stack.mail else "  mails     delivered as EMAIL_URL says",
        f"  logs      {stack.home.logs}",
        "",
        "  people, on the portal and in Airflow:",
        *[f"    {name:<12}{password}" for name, password in users.items()],
        "",
    ]
    if stack.stepped_over:
        lines.append("  ports that were taken, and those in their place:")
        lines += [f"    {name:<12}{usual} → {port}" for name, (usual, port) in stack.stepped_over.items()]
        lines.append("")
    return "\n".join(lines)


def _follow(stack: Stack, progress: Progress) -> NoReturn:
    follower = LogFollower()
    logs = stack.supervisor.log_files
    follower.skip_to_end(logs)
    mails = len(kept_mails(stack.mail)) if stack.mail else 0
    while True:
        stack.supervisor.check()
        follower.print_new_lines(logs)
        if stack.mail:
            kept = kept_mails(stack.mail)
            for mail in kept[mails:]:
                progress.say(f"mail to {mail.recipients}: {mail.subject}  ({mail.path})")
            mails = len(kept)
        time.sleep(PAUSE_SECONDS)
