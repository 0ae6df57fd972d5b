"""What the tests of both interpreters share."""


def raises(expected, function, *args):
    """Call function(*args); it must raise `expected`: an error class, or a refusal's code.

    Returns the error, so that a test can look at it.
    """
    try:
        result = function(*args)
    except Exception as error:
        seen = getattr(error, "code", None) if isinstance(expected, str) else type(error)
        if seen != expected:
            raise
        return error
    raise AssertionError("expected %s, got the result %r" % (expected, result))


def row(sentence, code, function, *args):
    """`raises` for one row of a table: what fails says which one."""
    try:
        return raises(code, function, *args)
    except Exception as error:
        raise AssertionError("%s: expected %s, got %r" % (sentence, code, error))
