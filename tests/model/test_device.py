import pytest
import torch

from napari_dense_ssl.core.errors import DeviceError
from napari_dense_ssl.model import available_devices, choose_device
from napari_dense_ssl.model.averaging import ema_teacher


def test_auto_takes_the_first_device_there_is() -> None:
    device = choose_device()
    assert device.kind == available_devices()[0][0]
    assert all(free > 0 for _, _, free in available_devices())


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has MPS")
    with pytest.raises(DeviceError, match="cpu"):
        choose_device("mps")


def test_half_precision_on_the_cpu_is_refused() -> None:
    with pytest.raises(DeviceError, match="choose 32 or bf16"):
        choose_device("cpu", "16")


def test_bf16_computes_products_in_bf16() -> None:
    device = choose_device("cpu", "bf16")
    with device.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_the_teacher_moves_by_one_minus_the_decay() -> None:
    student = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(student.weight, 1.0)
    teacher = ema_teacher(student, decay=0.9)
    teacher.update_parameters(student)  # the first update copies
    torch.nn.init.constant_(student.weight, 2.0)
    teacher.update_parameters(student)
    assert float(teacher.module.weight) == pytest.approx(0.9 * 1.0 + 0.1 * 2.0)
