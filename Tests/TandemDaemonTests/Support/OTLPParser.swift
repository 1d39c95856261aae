import Foundation
import Testing

/// Parses a request in OTLP's JSON with the schema of OpenTelemetry, PyPI's opentelemetry-proto, and returns the message as the JSON
/// mapping of Protocol Buffers. Fails the test if the schema refuses the request: an unknown field is an error.
///
/// OTLP writes ids in hexadecimal, and the JSON mapping in base64, so the ids are converted before and after.
func parseOTLP(_ body: [UInt8]) throws -> [String: Any] {
    let program = """
        import base64, json, re, sys
        from google.protobuf.json_format import MessageToDict, Parse
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
        def convert(value, change):
            if isinstance(value, list): return [convert(item, change) for item in value]
            if not isinstance(value, dict): return value
            return {k: change(k, v) if k in IDS else convert(v, change) for k, v in value.items()}
        def encoded(key, text):
            assert re.fullmatch("[0-9a-f]{%d}" % IDS[key], text), (key, text)
            return base64.b64encode(bytes.fromhex(text)).decode()
        def decoded(key, text): return base64.b64decode(text).hex()
        def unique(pairs):
            assert len(dict(pairs)) == len(pairs), pairs
            return dict(pairs)
        request = json.loads(sys.stdin.buffer.read().decode(), object_pairs_hook=unique)
        message = Parse(json.dumps(convert(request, encoded)), ExportTraceServiceRequest(), ignore_unknown_fields=False)
        json.dump(convert(MessageToDict(message, use_integers_for_enums=True), decoded), sys.stdout)
        """
    let packages = try output(of: [packageRoot + "/scripts/lib/python-packages"]).trimmingCharacters(in: .newlines)
    let parsed = try output(of: ["python3", "-c", program], input: Data(body), environment: ["PYTHONPATH": packages])
    return try #require(try JSONSerialization.jsonObject(with: Data(parsed.utf8)) as? [String: Any])
}

/// Returns the spans of a parsed request.
func spans(_ request: [String: Any]) throws -> [[String: Any]] {
    let resources = try #require(request["resourceSpans"] as? [[String: Any]])
    let scopes = try #require(resources.first?["scopeSpans"] as? [[String: Any]])
    return try #require(scopes.first?["spans"] as? [[String: Any]])
}

/// Returns the attributes of a parsed span, event, link or resource.
func attributes(_ object: [String: Any]) throws -> [String: [String: Any]] {
    let list = try #require(object["attributes"] as? [[String: Any]])
    return Dictionary(uniqueKeysWithValues: list.map { ($0["key"] as! String, $0["value"] as! [String: Any]) })
}
