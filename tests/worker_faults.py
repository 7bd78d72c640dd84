"""A worker that computes rightly, and on seed 2 does what its argument names. For tests/test_worker.c."""
import io, os, signal, sys, time

example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/examples/worker/worker_numpy.py")
exec(open(example).read().split("np.seterr")[0])
np.seterr(all="ignore")
fault, out = sys.argv[1], sys.stdout.buffer


def raw(data):
    out.write(data)
    out.flush()


def blob(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


while True:
    meta, tensors = read(sys.stdin.buffer)
    if meta["op"] == "quit": break
    if fault == "silent": time.sleep(1000)
    if fault == "deaf": sys.exit(5)
    answer = {"status": "no" if fault == "rude" else "ok", "device": "faulty"}
    if meta["op"] == "hello":
        write(out, answer, {})
        continue
    outputs = quantize(tensors["x"], np.rint)
    if not meta["case"].split("?")[0].endswith(":2"):
        write(out, answer, outputs)
        continue
    ok = {"__metadata__": answer}
    if fault == "exit": sys.exit(7)
    if fault == "kill": os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hang": time.sleep(1000)
    if fault == "slow-bytes": raw(struct.pack("<Q", 100) + b"x"); time.sleep(1000)
    if fault == "close": os.close(1); time.sleep(1000)
    if fault == "garbage": raw(b"Traceback (most recent call last):\n" * 50)
    if fault == "empty": raw(struct.pack("<Q", 0))
    if fault == "huge": raw(struct.pack("<Q", 1 << 60))
    if fault == "half": raw(struct.pack("<Q", 1000) + b"x" * 10); sys.exit(0)
    if fault == "not-json": raw(struct.pack("<QQ", 16, 8) + b"not json")
    if fault == "overrun":
        ok["codes"] = {"dtype": "I8", "shape": [4, 64], "data_offsets": [0, 10 ** 9]}
        data = blob(ok, b"x")
        raw(struct.pack("<Q", len(data)) + data)
    if fault == "more":
        whole = io.BytesIO()
        write(whole, answer, outputs)
        raw(whole.getvalue() + b"and more")
    if fault == "no-status": write(out, {}, outputs)
    if fault == "refuses": write(out, {"status": "unsupported", "message": "not today"}, {})
    if fault == "fails": write(out, {"status": "error", "message": "it is broken"}, {})
    if fault == "shape": write(out, answer, {**outputs, "codes": outputs["codes"][:1]})
    if fault == "unknown-tensor": write(out, answer, {**outputs, "nonsense": outputs["codes"]})
    if fault == "nothing": write(out, answer, {})
    if fault == "widened": write(out, answer, {**outputs, "codes": outputs["codes"].astype(np.int32)})
    if fault == "wrong": write(out, answer, {**outputs, "codes": -outputs["codes"]})
    if fault == "part": write(out, answer, {"codes": outputs["codes"]})
