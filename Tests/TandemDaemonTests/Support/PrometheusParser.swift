import Foundation
import Testing

/// A metric family, as parsed by Python's prometheus_client.
struct ParsedFamily: Decodable {
    struct Sample: Decodable {
        let name: String
        let labels: [String: String]
        /// The value as Python prints it: "1.0", "inf".
        let value: String
        /// The labels of the exemplar.
        let exemplar: [String: String]?
    }

    let name: String
    let type: String
    let help: String
    let unit: String
    let samples: [Sample]

    func value(_ suffix: String = "", _ labels: [String: String] = [:]) -> Double? {
        samples.first { sample in
            sample.name == name + suffix && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }.flatMap { Double($0.value) }
    }
}

/// Parses a text with prometheus_client. Fails the test if the parser refuses the text.
func parsePrometheus(_ text: [UInt8], openMetrics: Bool = false) throws -> [String: ParsedFamily] {
    let program = """
        import json, sys
        from prometheus_client.\(openMetrics ? "openmetrics.parser" : "parser") import text_string_to_metric_families
        families = list(text_string_to_metric_families(sys.stdin.buffer.read().decode()))
        json.dump([dict(name=f.name, type=f.type, help=f.documentation, unit=f.unit,
            samples=[dict(name=s.name, labels=s.labels, value=str(float(s.value)),
                exemplar=s.exemplar and s.exemplar.labels) for s in f.samples]) for f in families],
            sys.stdout)
        """
    let packages = try output(of: [packageRoot + "/scripts/lib/python-packages"]).trimmingCharacters(in: .newlines)
    let parsed = try output(of: ["python3", "-c", program], input: Data(text), environment: ["PYTHONPATH": packages])
    let families = try JSONDecoder().decode([ParsedFamily].self, from: Data(parsed.utf8))
    #expect(Set(families.map(\.name)).count == families.count, "a family comes twice")
    return Dictionary(families.map { ($0.name, $0) }) { first, _ in first }
}

/// Returns the output of a command. Fails the test if the command fails.
func output(of command: [String], input: Data = Data(), environment: [String: String] = [:]) throws -> String {
    let (process, stdin, stdout) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
    process.standardInput = stdin
    process.standardOutput = stdout
    try process.run()
    let writing = Thread {
        try? stdin.fileHandleForWriting.write(contentsOf: input); try? stdin.fileHandleForWriting.close()
    }
    writing.start()
    let text = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(command[0]) failed")
    return text
}
