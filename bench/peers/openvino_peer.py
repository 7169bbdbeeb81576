"""openvino_peer.py FILE.xml f32|bf16 THREADS: OpenVINO at its best for one request at a time.

Hints as OpenVINO's documentation names them (docs.openvino.ai, "High-level performance hints" and "CPU device"):
latency, one stream on all cores, and the precision to compute in."""
import sys

import numpy
import openvino

import turns

path, dtype, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
compiled = openvino.Core().compile_model(path, "CPU", {
    "INFERENCE_PRECISION_HINT": dtype, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
    "INFERENCE_NUM_THREADS": threads})
random = numpy.random.default_rng(7)


def numbers(port):
    shape, kind = list(port.partial_shape.to_shape()), port.element_type.to_dtype()
    if kind.kind in "iu":
        return random.integers(0, 1000, shape).astype(kind)
    return numpy.full(shape, 500, kind) if len(shape) == 1 else random.standard_normal(shape).astype(kind)


request, inputs = compiled.create_infer_request(), [numbers(port) for port in compiled.inputs]
turns.serve(lambda: request.infer(inputs), openvino=openvino.__version__)
if not numpy.isfinite(request.get_output_tensor(0).data).all():
    sys.exit("openvino_peer.py: the result has numbers that are not finite")
