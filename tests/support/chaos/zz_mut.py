import os, sys
def main():
    import json
    from tests.support.chaos import child
    m = open("/tmp/mut").read().strip()
    if m == "public":
        from keeper.execution.ways import Ways
        Ways.is_public = lambda self, work: self.of(work).open is not None
    if m == "forget":
        from keeper.execution import written
        from dataclasses import replace
        old = written.take_up
        async def take_up(store, armed, intent):
            from keeper.domain.intent import IntentState
            w = await old(store, armed, intent)
            if intent.state is IntentState.SUBMITTED:
                w.intent = replace(intent, attempts=(), state=IntentState.OPEN)
            return w
        written.take_up = take_up
    if m == "page":
        child.Keeper._page = lambda *a: None
    if m == "nonce":
        from keeper.execution.pen import Pen
        old2 = Pen.next_nonce
        Pen.next_nonce = lambda self, works: max(old2(self, works), self.lane.nonce + (1 if self.lane.nonce % 2 else 0))
    if m == "reorg":
        from keeper.execution import judging
        judging.place = lambda r: r.tx_hash
    child.main()
