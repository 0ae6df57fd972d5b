"""A structural fuzzer: valid seals, certificates and bundles, changed and signed again.

    python -m tests.host.fuzz --seconds 600

`seeds` makes what is valid, `tree` takes DER apart and puts it together in forms that DER forbids,
`mutate` changes trees, `plan` says which changes and signs the result, `judge` compares sealcore's
verdict with those of the referees, `engine` runs it under Hypothesis, which shrinks what it finds.
"""
