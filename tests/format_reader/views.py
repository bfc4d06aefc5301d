"""What the records mean (FORMAT.md, section 12): history, removal, attempts, forks, the points of a view."""
from dataclasses import dataclass

from .bodies import FORK, RESUME, REWIND, SET, TOMBSTONE, UNDO, Fact

UNBOUNDED = -2**63, 2**63 - 1


@dataclass
class Point:
    run: bytes
    attempt: int
    writer: bytes
    sequence: int
    metric: str
    rank: int
    labels: tuple
    step: int
    time: int
    bits: int


class View:
    """All that sections 10 and 12.2 leave of a store."""

    def __init__(self, store):
        self.store = store
        facts = [(incarnation, record) for incarnation in store.incarnations.values()
                 for record in incarnation.records.values() if isinstance(record.body, Fact)]
        self.undone = {(r.body.target, r.body.target_sequence) for _, r in facts if r.body.kind == UNDO}
        self.tombstones = {}
        for incarnation, record in facts:
            if record.body.kind == TOMBSTONE and (incarnation.id, record.sequence) not in self.undone:
                self.tombstones.setdefault((incarnation.run, record.body.target), []).append(record.body)
        self.facts = {}
        for incarnation, record in facts:
            if not self.is_fact_covered(incarnation, record):
                self.facts.setdefault(incarnation.run, []).append((incarnation, record))
        for history in self.facts.values():
            history.sort(key=lambda pair: (pair[1].body.lamport, pair[0].id, pair[1].sequence))
        self.writers = {}
        for incarnation in store.incarnations.values():
            self.writers.setdefault(incarnation.run, []).append(incarnation)

    def runs(self):
        """In the order in which they were begun, as far as clocks tell; the format itself orders no runs."""
        return sorted(self.writers, key=lambda run: (min(i.writer.start for i in self.writers[run]), run))

    # --- removal (12.2) ---

    def tombstones_of(self, incarnation):
        """A tombstone covers records of writers of its own run alone."""
        return self.tombstones.get((incarnation.run, incarnation.id), ())

    def is_fact_covered(self, incarnation, record):
        if record.body.kind in (UNDO, TOMBSTONE):
            return False
        return any(t.key is None and t.steps is None and record.sequence <= t.target_sequence
                   for t in self.tombstones_of(incarnation))

    def values(self, incarnation, row):
        """The (name, bits) of a row that no tombstone covers."""
        found = [(name, bits) for name, bits in zip(row.names, row.values) if bits is not None]
        for tombstone in self.tombstones_of(incarnation):
            if row.sequence > tombstone.target_sequence:
                continue
            if tombstone.steps is not None and not is_between(row.step, tombstone.steps):
                continue
            found = [(n, b) for n, b in found if tombstone.key is not None and n != tombstone.key]
        return found

    # --- history (12.1) ---

    def history(self, run, lamport_max=None):
        return [(i, r) for i, r in self.facts.get(run, ()) if lamport_max is None or r.body.lamport <= lamport_max]

    def setting(self, run, key):
        """The value that the latest SET of a key gives, or None."""
        value = None
        for _, record in self.history(run):
            if record.body.kind == SET and record.body.key == key:
                value = record.body.value
        return value

    def rewinds(self, run, lamport_max):
        """Opened attempt: [(step begin, whether in force)]."""
        found = {}
        history = self.history(run, lamport_max)
        undone = {(r.body.target, r.body.target_sequence) for _, r in history if r.body.kind == UNDO}
        for incarnation, record in history:
            if record.body.kind == REWIND and record.body.steps is not None:
                is_undone = (incarnation.id, record.sequence) in undone
                found.setdefault(record.body.attempt, []).append((record.body.steps[0], not is_undone))
        return found

    # --- points (12.4) ---

    def all_points(self):
        """Every point of every attempt, run by run, in append order."""
        for run in self.runs():
            for incarnation in sorted(self.writers[run], key=lambda i: (i.writer.start, i.id)):
                for sequence in sorted(incarnation.rows):
                    row = incarnation.rows[sequence]
                    yield from self.points_of_row(run, incarnation, row)

    def points_of_row(self, run, incarnation, row):
        writer = incarnation.writer
        for name, bits in sorted(self.values(incarnation, row), key=lambda pair: pair[0].encode()):
            yield Point(run, writer.attempt, incarnation.id, row.sequence, name, writer.rank, writer.labels, row.step,
                        row.time, bits)

    def default_points(self, run, attempt_max=None, lamport_max=None, seen=()):
        """The points of the default view of a run, those of its parent first."""
        line = Line(self, run, attempt_max, lamport_max)
        points = []
        for _, record in self.history(run, lamport_max):
            fork = record.body
            if fork.kind == FORK and fork.target is not None and fork.target not in seen + (run,):
                end = fork.steps[1] if fork.steps else UNBOUNDED[1]
                parent = self.default_points(fork.target, fork.parent_attempt, fork.number, seen + (run,))
                points += [(depth + 1, point) for depth, point in parent
                           if point.step < end and line.shows_of_parent(point, point.step)]
        for incarnation in self.writers.get(run, ()):
            if attempt_max is not None and incarnation.writer.attempt > attempt_max:
                continue
            for row in incarnation.rows.values():
                if line.shows(incarnation.writer, row.step):
                    points += [(0, point) for point in self.points_of_row(run, incarnation, row)]
        points.sort(key=lambda p: (p[1].metric.encode(), p[1].rank, p[1].labels, p[1].step, -p[0], p[1].attempt,
                                   p[1].writer, p[1].sequence))
        return points


class Line:
    """The attempts of a run that are in force, and where each cuts those before it."""

    def __init__(self, view, run, attempt_max, lamport_max):
        rewinds = view.rewinds(run, lamport_max)
        self.writers = [i for i in view.writers.get(run, ()) if not i.writer.is_facts_only()
                        and (attempt_max is None or i.writer.attempt <= attempt_max)]
        self.resumes = {a: [step for step, is_in_force in found if is_in_force] for a, found in rewinds.items()}
        undone = {a for a, found in rewinds.items() if any(not is_in_force for _, is_in_force in found)}
        exists = {i.writer.attempt for i in self.writers} | set(rewinds)
        self.in_force = {a for a in exists - undone if attempt_max is None or a <= attempt_max}
        self.cuts = {}

    def shows(self, writer, step):
        return writer.attempt in self.in_force and all(
            step < self.cut(a, writer) for a in self.in_force if a > writer.attempt)

    def shows_of_parent(self, series, step):
        """series: whatever has a rank and labels."""
        return all(step < min(self.find_said_steps(a, series), default=2**63) for a in self.in_force)

    def cut(self, attempt, writer):
        key = (attempt, writer.rank, writer.labels)
        if key not in self.cuts:
            self.cuts[key] = self.find_cut(attempt, writer)
        return self.cuts[key]

    def writers_of(self, attempt, series):
        """Those of its rank and labels, if there are such writers, else all."""
        every = [i for i in self.writers if i.writer.attempt == attempt]
        return [i for i in every if (i.writer.rank, i.writer.labels) == (series.rank, series.labels)] or every

    def find_said_steps(self, attempt, series):
        steps = list(self.resumes.get(attempt, ()))
        return steps + [i.writer.resume_step for i in self.writers_of(attempt, series) if i.writer.flags & RESUME]

    def find_cut(self, attempt, writer):
        steps = self.find_said_steps(attempt, writer)
        if not steps:
            steps = [row.step for i in self.writers_of(attempt, writer) for row in i.rows.values()]
        return min(steps, default=2**63)


def is_between(step, bounds):
    begin, end = bounds
    return begin <= step and (step < end or end == UNBOUNDED[1])
