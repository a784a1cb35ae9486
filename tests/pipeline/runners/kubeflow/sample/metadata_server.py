"""An ML Metadata gRPC service: MLMD's own C++ library behind its own gRPC interface.

The wheel has the service's interface and the library, not the server that joins them; this does.
Usage: python metadata_server.py SQLITE_FILE; prints its port.
"""

import sys
from concurrent import futures

import grpc
from ml_metadata import proto
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as library
from ml_metadata.proto import metadata_store_pb2 as pb
from ml_metadata.proto import metadata_store_service_pb2 as service

NAME = "ml_metadata.MetadataStoreService"


def main(path: str) -> None:
    config = proto.ConnectionConfig()
    config.sqlite.filename_uri = path
    store = library.CreateMetadataStore(
        config.SerializeToString(), pb.MigrationOptions().SerializeToString()
    )
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(handler(store, method.name))
        for method in service.DESCRIPTOR.services_by_name["MetadataStoreService"].methods
        if hasattr(library, method.name)
    }
    # One thread: the library's SQLite connection is one as well.
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def handler(store: object, name: str):
    codes = {code.value[0]: code for code in grpc.StatusCode}

    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        response, message, code = getattr(library, name)(store, request)
        if code:
            context.abort(codes[code], message.decode() if isinstance(message, bytes) else message)
        return response

    return call


if __name__ == "__main__":
    main(sys.argv[1])
