"""The process: it wakes, observes, evaluates, decides and writes. Each part imports only parts further down.

run             puts every part of a leading operator together; release hands traffic to stable before an uninstall
handlers        what kopf saw wakes the service; health tells whether passes still happen
service         one worker and two pollers for each resource, and how soon a pass that failed comes again
reconcile       one pass: observe, decide, write
writes          the writes of a pass, in their order: lower, record, raise, tell
polling_plan    what to probe and evaluate next, and when something is due
watch           the snapshots that the pollers fill and passes read
evaluator       fetches samples and has them judged; postmortems keeps the distributions behind an end
lease           who leads
notifier        Events to every sink, bounded; metrics: what the operator counts of itself
settings        what the command line says
"""
