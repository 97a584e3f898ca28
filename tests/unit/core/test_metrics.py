from capmart_core.metrics import Metric, exposition


def test_given_metrics_when_shown_then_as_the_text_format_says() -> None:
    calls = Metric("calls_total", "counter", "calls", {(("who", "b"),): 2, (("who", 'a"\\\n'),): 1.5})
    running = Metric("running", "gauge", "now", {(): 3})
    assert exposition([calls, running]) == (
        "# HELP calls_total calls\n# TYPE calls_total counter\n"
        'calls_total{who="a\\"\\\\\\n"} 1.5\ncalls_total{who="b"} 2\n'
        "# HELP running now\n# TYPE running gauge\nrunning 3\n"
    )


def test_given_no_metrics_when_shown_then_nothing() -> None:
    assert exposition([]) == ""
