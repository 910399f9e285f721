"""The chain through web3: heads by subscription, all reads of a tick at one block, sending. And a chain in memory."""
