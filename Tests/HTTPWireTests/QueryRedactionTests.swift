import HTTPWire
import Testing

struct QueryRedactionTests {
    @Test(arguments: [
        ("", ""),
        ("q=1&r", "q=1&r"),
        ("sig", "sig"),
        ("sig=", "sig=REDACTED"),
        ("sig=secret", "sig=REDACTED"),
        ("q=OpenTelemetry&sig=secret", "q=OpenTelemetry&sig=REDACTED"),
        ("sig=a=b&q=1&&Signature=s&", "sig=REDACTED&q=1&&Signature=REDACTED&"),
        ("AWSAccessKeyId=a&X-Goog-Signature=b", "AWSAccessKeyId=REDACTED&X-Goog-Signature=REDACTED"),
        (
            "X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Signature=c&X-Amz-Security-Token=d",
            "X-Amz-Credential=REDACTED&X-Amz-Date=b&X-Amz-Signature=REDACTED&X-Amz-Security-Token=REDACTED"
        ),
        ("%73ig=secret&%zz=1", "%73ig=REDACTED&%zz=1"),
        ("SIG=1&signature=2&sigs=3", "SIG=1&signature=2&sigs=3"),
        ("é=1&sig=é", "é=1&sig=REDACTED"),
    ])
    func `only the values of sensitive keys are replaced`(query: String, redacted: String) {
        #expect(QueryRedaction.redacted(query) == redacted)
    }
}
