"""Writes through the access node until it is told to stop, and keeps a ledger of what the server has confirmed.

    writer.py DATABASE FOLDER       stops as soon as FOLDER/stop is there; leaves FOLDER/ledger.json

Half of the writers open a new session for each row, half keep theirs. Each row goes to another data node than the one before.
"""

import json
import os
import sys
import threading
import time

import psycopg2

INSERT = "INSERT INTO ledger SELECT now(), %s, %s RETURNING 1"
COUNT = "SELECT count(*) FROM ledger WHERE device = %s"
# Seconds between two rows of a writer. New sessions, each with its own to data nodes, one after the other would take more than a processor, from all
# tests that run on this machine.
PAUSE, PAUSE_BETWEEN_SESSIONS = 0.05, 0.25


class Writer(threading.Thread):
    def __init__(self, number, database, stop, lasting):
        super().__init__()
        self.number, self.database, self.stop, self.lasting = number, database, stop, lasting
        self.confirmed, self.failures, self.longest = [], [], (0.0, "")
        self.session = None

    def run(self):
        row = 0
        while not os.path.exists(self.stop):
            begin = time.monotonic()
            try:
                self.write(row)
                self.confirmed.append(row)
            except psycopg2.Error as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {' '.join(str(error).split())}")
                self.session = None
            self.longest = max(self.longest, (round(time.monotonic() - begin, 3), time.strftime("%H:%M:%S")))
            row += 1
            time.sleep(PAUSE if self.lasting else PAUSE_BETWEEN_SESSIONS)

    def write(self, row):
        if self.session is None or not self.lasting:
            self.session = psycopg2.connect(dbname=self.database)
            self.session.autocommit = True
        with self.session.cursor() as cursor:
            cursor.execute(INSERT, (self.number * 1000000 + row, row))
            cursor.execute(COUNT, (self.number * 1000000 + row,))
        if not self.lasting:
            self.session.close()


def main(database, folder):
    writers = [Writer(number, database, os.path.join(folder, "stop"), lasting=number % 2 == 1) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = {
        "confirmed": [writer.number * 1000000 + row for writer in writers for row in writer.confirmed],
        "failures": [failure for writer in writers for failure in writer.failures],
        "sessions": sum(len(writer.confirmed) if not writer.lasting else 1 for writer in writers),
        # How long one write and read took at the most, and when it ended.
        "longest": max(writer.longest for writer in writers),
    }
    with open(os.path.join(folder, "ledger.json"), "w") as file:
        json.dump(ledger, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
