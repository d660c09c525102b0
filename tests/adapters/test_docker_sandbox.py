"""What a docker sandbox holds beyond what every sandbox must."""

from evalkit.core.ports import Job


async def test_both_run_python(sandbox):
    assert (await sandbox.run(Job(("python", "-c", "print(1)")))).stdout == "1\n"
