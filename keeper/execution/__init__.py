"""From a decision to its effect: calldata, the gate before sending, the journal and its state machine."""
