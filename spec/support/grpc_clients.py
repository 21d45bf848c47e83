"""gRPC by grpcio, for spec/support/grpc.lua: a server, and a client that makes many calls.

    grpc_clients.py serve PORT            until it is killed; prints "ready"
    grpc_clients.py call PORT < CALLS     CALLS: [{"path": "/grpc/Unary", "metadata": {...}}, ...]

A call prints {"code", "details", "messages"}: the status as the client sees it, and the messages that
came before it.
"""

import json
import sys
import time
from concurrent import futures

import grpc

CALL_SECONDS = 5
AT_ONCE = 8
MAX_METADATA = 65536


def as_bytes(value):
    return value


def unary(_request, _context):
    return b"upstream"


def stream(_request, _context):
    for i in range(3):
        yield b"upstream %d" % i
        time.sleep(0.02)


def refuse(_request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "the upstream refuses")


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary, as_bytes, as_bytes),
    "Stream": grpc.unary_stream_rpc_method_handler(stream, as_bytes, as_bytes),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse, as_bytes, as_bytes),
}


class Methods(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        method = handler_call_details.method.split("?")[0].rsplit("/")[-1]
        return HANDLERS.get(method)


def serve(port):
    server = grpc.server(
        futures.ThreadPoolExecutor(AT_ONCE),
        options=[("grpc.max_metadata_size", MAX_METADATA), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers((Methods(),))
    if server.add_insecure_port("127.0.0.1:%d" % port) != port:
        sys.exit("the port is taken")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def make_call(channel, wanted):
    metadata = list(wanted.get("metadata", {}).items())
    method = channel.unary_stream(wanted["path"], as_bytes, as_bytes)
    call = method(b"request", timeout=CALL_SECONDS, metadata=metadata)
    messages = []
    try:
        for message in call:
            messages.append(message.decode("latin-1"))
    except grpc.RpcError:
        pass
    return {"code": call.code().name, "details": call.details(), "messages": messages}


def call_all(port):
    channel = grpc.insecure_channel(
        "127.0.0.1:%d" % port,
        options=[("grpc.max_metadata_size", MAX_METADATA), ("grpc.enable_http_proxy", 0)],
    )
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda wanted: make_call(channel, wanted), json.load(sys.stdin))
        json.dump(list(results), sys.stdout)
    channel.close()


if __name__ == "__main__":
    {"serve": serve, "call": call_all}[sys.argv[1]](int(sys.argv[2]))
