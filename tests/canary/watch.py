"""Prints each query that pg_stat_activity shows, once, until its standard input ends. Run on a test host as root."""

import os
import pwd
import select
import sys

QUERY = "SELECT DISTINCT query FROM pg_stat_activity WHERE application_name <> 'watch' AND query <> ''"
# What it asks itself is in no log.
OPTIONS = "-c log_statement=none -c log_min_duration_statement=-1 -c auto_explain.log_min_duration=-1 -c pg_stat_statements.track=none"


def over(seconds):
    """Whether there is nobody any more who wants to know."""
    return bool(select.select([0], [], [], seconds)[0]) and os.read(0, 1) == b""


def become_postgres():
    while True:
        try:
            user = pwd.getpwnam("postgres")
            break
        except KeyError:
            if over(0.2):
                sys.exit()
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def connect():
    while True:
        try:
            import psycopg2

            session = psycopg2.connect(dbname="postgres", application_name="watch", options=OPTIONS)
            session.autocommit = True
            return session
        except Exception:
            # Neither driver nor server may be there yet, and servers restart.
            if over(0.2):
                sys.exit()


def main():
    become_postgres()
    seen = set()
    session = connect()
    while not over(0.03):
        try:
            with session.cursor() as cursor:
                cursor.execute(QUERY)
                new = {row[0] for row in cursor} - seen
        except Exception:
            session = connect()
            continue
        seen |= new
        for text in new:
            print(text.replace("\n", " "), flush=True)


main()
