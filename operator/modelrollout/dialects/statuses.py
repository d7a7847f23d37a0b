"""What counts as an error and as a refusal, in HTTP and in gRPC, for every dialect whose label holds the number.

HTTP has three digits and gRPC one or two, so one pattern reads both. Errors are 5xx and what gRPC calls UNKNOWN (2),
DEADLINE_EXCEEDED (4), UNIMPLEMENTED (12), INTERNAL (13), UNAVAILABLE (14) and DATA_LOSS (15). Refusals are 4xx and the
other codes of gRPC, except a client that went away: 499, and CANCELLED (1).
"""

HTTP_ERRORS = "5[0-9]{2}"
HTTP_REFUSALS = "4[0-8][0-9]|49[0-8]"
ERRORS = HTTP_ERRORS + "|2|4|1[2-5]"
REFUSALS = HTTP_REFUSALS + "|3|[5-9]|10|11|16"
