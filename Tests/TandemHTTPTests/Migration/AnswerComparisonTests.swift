import HTTPTypes
import Testing

@testable import TandemHTTP

struct AnswerComparisonTests {
    struct One: Error {}
    struct Two: Error {}

    private func parts(
        _ old: Response, _ new: Response, _ comparison: AnswerComparison = .exact
    ) -> [String] {
        comparison.compare(KeptAnswer(old), KeptAnswer(new)).differences.map { "\($0.part): \($0.kind.rawValue)" }
    }

    @Test
    func `the fields that are compared are named, and the values of cookies are not compared`() {
        func response(_ fields: HTTPFields) -> Response { Response(headers: fields) }
        #expect(parts(response([.date: "a", .server: "x"]), response([:])) == [])
        #expect(parts(response([.vary: "a"]), response([:])) == ["header Vary: missing"])
        #expect(parts(response([:]), response([.allow: "GET"])) == ["header Allow: extra"])
        #expect(parts(response([.setCookie: "a=1; Path=/"]), response([.setCookie: "a=2"])) == [])
        #expect(parts(response([.setCookie: "a=1"]), response([.setCookie: "b=1"])) == ["header Set-Cookie: value"])
        #expect(parts(response([.server: "x"]), response([:]), .exact.comparing(.server)) == ["header Server: missing"])
        #expect(parts(response([.vary: "x"]), response([:]), .exact.ignoring(.vary, because: "new")) == [])
    }

    @Test
    func `bodies are compared by all bytes, or by a closure`() {
        #expect(parts(Response(text: "a"), Response(text: "a")) == [])
        #expect(parts(Response(text: "a"), Response(text: "b")) == ["body: value"])
        #expect(parts(Response(text: "a"), Response(text: "ab")) == ["body: size"])
        let first = AnswerComparison.exact.comparingBodies { old, new in
            var result = ComparisonResult()
            if old.first != new.first { result.add(.init(.init(.body, "first"), .value)) }
            return result
        }
        #expect(parts(Response(text: "ab"), Response(text: "ac"), first) == [])
        #expect(parts(Response(text: "ab"), Response(text: "bb"), first) == ["body first: value"])
    }

    @Test
    func `a difference shows its shape, and values only in its excerpt`() throws {
        let (old, new) = (KeptAnswer(Response(text: "hello Ada")), KeptAnswer(Response(text: "hello Bob!")))
        let difference = try #require(AnswerComparison.exact.compare(old, new).differences.first)
        #expect(difference.shape == "9 bytes, 10 bytes; from byte 6 on")
        #expect(difference.excerpt == "hello Ada → hello Bob!")
        var tally = MigrationTally()
        for samples in [MigrationConfiguration.Samples.none, .shape, .body] {
            tally.add(AnswerComparison.exact.compare(old, new), .candidate, samples: samples)
        }
        #expect(
            tally.parts[.init(.body)]?.samples == [
                "size: 9 bytes, 10 bytes; from byte 6 on", "size: 9 bytes, 10 bytes; from byte 6 on; hello Ada → hello Bob!",
            ])
    }

    @Test
    func `errors are compared by type, an HTTPError as its answer`() {
        func parts(_ old: any Error, _ new: any Error) -> [String] {
            AnswerComparison.exact.compare(KeptAnswer(old), KeptAnswer(new)).differences.map { "\($0.part): \($0.kind.rawValue)" }
        }
        #expect(parts(One(), One()) == [])
        #expect(parts(One(), Two()) == ["error: value"])
        #expect(parts(HTTPError(.notFound, "a"), HTTPError(.notFound, "a")) == [])
        #expect(parts(HTTPError(.notFound, "a"), HTTPError(.gone, "a")) == ["status: value"])
        #expect(parts(HTTPError(.notFound, "a"), One()) == ["error: extra"])
    }

    @Test
    func `parts beyond a bound count together`() {
        var tally = MigrationTally()
        for name in 0..<1000 {
            var result = ComparisonResult()
            result.add(.init(.init(.body, "/\(name)"), .value))
            tally.add(result, .candidate, samples: .shape)
        }
        #expect(tally.parts.count == MigrationTally.mostParts + 1)
        #expect(tally.parts[MigrationTally.otherParts]?.candidates == UInt64(1000 - MigrationTally.mostParts))
        #expect(tally.parts.values.allSatisfy { $0.samples.count <= MigrationTally.mostSamples })
    }

    /// Candidates and controls that differ, those that were compared, and the verdict.
    @Test(
        arguments: [
            (1, 0, 199, 20, MigrationVerdict.needsData), (1, 0, 200, 20, .differs), (0, 0, 200, 20, .same),
            (200, 20, 200, 20, .same), (100, 8, 200, 20, .same), (200, 8, 200, 20, .differs), (1, 0, 10_000, 1000, .same),
            (4, 0, 10_000, 1000, .differs), (110, 10, 1000, 100, .same), (300, 10, 1000, 100, .differs), (0, 5, 200, 20, .same),
            (20, 0, 200, 0, .differs),
        ] as [(UInt64, UInt64, UInt64, UInt64, MigrationVerdict)])
    func `a verdict needs data, and more than noise`(
        candidates: UInt64, controls: UInt64, ofCandidates: UInt64, ofControls: UInt64, verdict: MigrationVerdict
    ) {
        #expect(MigrationVerdict(differing: (candidates, controls), of: (ofCandidates, ofControls)) == verdict)
    }

    @Test
    func `durations are counted in powers of two`() {
        var durations = MigrationReport.Durations()
        for nanoseconds: UInt64 in [0, 1, 1000, 1023, 1024, .max] { durations.add(nanoseconds: nanoseconds) }
        #expect(durations.counts[0] == 1)
        #expect(durations.counts[1] == 1)
        #expect(durations.counts[10] == 2)
        #expect(durations.counts[11] == 1)
        #expect(durations.counts[39] == 1)
        #expect(durations.count == 6)
        #expect(durations.quantile(0.5) == .nanoseconds(1024))
    }
}
