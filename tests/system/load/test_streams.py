"""A stream whose hot requests are answered while its cold ones wait for a supplier."""

from queue import SimpleQueue

import grpc

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS
from tests.fixtures.symbol_server import Answer, Ending
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site


def request(name: str, module_id: ModuleId) -> pb.SymbolicateStreamRequest:
    module = module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)
    frames = [stack_pb2.Frame(module_index=0, module_offset=32)]
    asked = pb.SymbolicateRequest(modules=[module], stacks=[stack_pb2.Stack(frames=frames)])
    return pb.SymbolicateStreamRequest(id=name, request=asked)


def test_hot_requests_are_answered_while_cold_ones_of_their_stream_wait(site: Site) -> None:
    hot, cold = numbered_module(1), numbered_module(2)
    site.supplier.put(hot, symbol_file(hot))
    stalled = Answer(symbol_file(cold), ending=Ending.STALLED_AT_ONCE)
    site.supplier.answer(site.supplier.path_of(cold), stalled)
    site.work()
    sent: SimpleQueue[pb.SymbolicateStreamRequest] = SimpleQueue()
    with grpc.insecure_channel(site.serve().await_address()) as channel:
        stub = SymbolicationServiceStub(channel)
        answers = stub.SymbolicateStream(iter(sent.get, None), timeout=PATIENCE_SECONDS)
        sent.put(request("first", hot))
        assert function_of(next(answers)) == ("first", "function_1")
        for name, module_id in (("cold", cold), ("again", hot), ("once more", hot)):
            sent.put(request(name, module_id))
        seen = {function_of(next(answers)) for _ in range(2)}
        assert seen == {("again", "function_1"), ("once more", "function_1")}
        site.supplier.release()
        assert function_of(next(answers)) == ("cold", "function_1")
        answers.cancel()


def function_of(answer: pb.SymbolicateStreamResponse) -> tuple[str, str]:
    ((frame,),) = ([*stack.frames] for stack in answer.response.stacks)
    return answer.id, frame.function
