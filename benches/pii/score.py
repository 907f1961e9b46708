"""Counts what was found of what is there.

By character: a character is found if something of the right kind covers it. By entity: something
of the right kind covers exactly it. The kinds that are compared are Presidio's: a street address
and a postal code are a LOCATION, a date of birth is a DATE_TIME, so that a specific answer and a
general one are equally right. Recall is told for each type as it is labelled, precision for the
kinds that it counts as. What is claimed to be of a kind that no line has is left out, for no line
could say whether it is right; it is counted where the kind does not matter.
"""

from collections import Counter, defaultdict

KINDS = {
    "STREET_ADDRESS": "LOCATION",
    "ZIP_CODE": "LOCATION",
    "DATE_OF_BIRTH": "DATE_TIME",
    "CREDIT_CARD_EXPIRATION": "DATE_TIME",
    "US_ITIN": "US_SSN",
}


def kind(entity_type):
    return KINDS.get(entity_type, entity_type)


def f2(precision, recall):
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


class Tally:
    """What was found of some lines."""

    def __init__(self):
        self.there, self.hit = Counter(), Counter()
        self.entities, self.whole = Counter(), Counter()
        self.claimed, self.right = Counter(), Counter()
        self.claims, self.exact = Counter(), Counter()
        # Characters that any claim covers, and of those that are there.
        self.told, self.covered = 0, 0

    def add(self, line, entities, known):
        size = len(line["text"])
        # Claims of several kinds may overlap: whichever is right counts, and whichever is wrong.
        told = [set() for _ in range(size)]
        claims = set()
        covered = [False] * size
        for entity in entities:
            own = kind(entity["entity_type"])
            for at in range(entity["start"], entity["end"]):
                covered[at] = True
            if own not in known:
                continue
            for at in range(entity["start"], entity["end"]):
                told[at].add(own)
            claims.add((own, entity["start"], entity["end"]))
        gold = [None] * size
        exact = set()
        for span in line["spans"]:
            own = kind(span["type"])
            for at in range(span["start"], span["end"]):
                gold[at] = own
                self.there[span["type"]] += 1
                self.hit[span["type"]] += own in told[at]
                self.covered += covered[at]
            self.entities[span["type"]] += 1
            whole = (own, span["start"], span["end"])
            self.whole[span["type"]] += whole in claims
            exact.add(whole)
        self.told += sum(covered)
        for at in range(size):
            for own in told[at]:
                self.claimed[own] += 1
                self.right[own] += own == gold[at]
        for claim in claims:
            self.claims[claim[0]] += 1
            self.exact[claim[0]] += claim in exact

    def by_type(self, entity_type):
        own = kind(entity_type)
        recall = self.hit[entity_type] / max(1, self.there[entity_type])
        whole = self.whole[entity_type] / max(1, self.entities[entity_type])
        precision = self.right[own] / max(1, self.claimed[own])
        return {
            "precision": precision,
            "recall": recall,
            "f2": f2(precision, recall),
            "whole_recall": whole,
            "whole_f2": f2(self.exact[own] / max(1, self.claims[own]), whole),
        }

    def any(self):
        """By character, whatever it is called."""
        precision = self.covered / max(1, self.told)
        recall = self.covered / max(1, sum(self.there.values()))
        return {"precision": precision, "recall": recall, "f2": f2(precision, recall)}

    def all(self):
        there, claimed = sum(self.there.values()), sum(self.claimed.values())
        recall, precision = sum(self.hit.values()) / there, sum(self.right.values()) / max(1, claimed)
        entities, claims = sum(self.entities.values()), sum(self.claims.values())
        whole = sum(self.whole.values()) / entities
        exact = sum(self.exact.values()) / max(1, claims)
        return {
            "precision": precision,
            "recall": recall,
            "f2": f2(precision, recall),
            "whole_precision": exact,
            "whole_recall": whole,
            "whole_f2": f2(exact, whole),
        }


def tally(lines, answers, known):
    """Scores of the lines: all, and those of each style."""
    tallies = defaultdict(Tally)
    for line in lines:
        for name in ("all", line["style"]):
            tallies[name].add(line, answers[line["id"]], known)
    return tallies
