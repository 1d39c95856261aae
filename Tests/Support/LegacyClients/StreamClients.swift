import Foundation
import Glibc
import Tandem

/// The clients that use streams of stdio, by name. Each waits 200 ms.
let streamClients: [String: @Sendable () throws -> Void] = [
    "fgets": {
        // The line arrives in three parts, on a socket.
        try withStreams(socketPair) { input, output in
            slowly {
                for part in ["one", " two", " three\nfour"] {
                    fputs(part, output)
                    fflush(output)
                    usleep(50_000)
                }
            }
            var line = [CChar](repeating: 0, count: 100)
            try check(fgets(&line, 100, input) != nil && text(line) == "one two three\n", "fgets: \(text(line))")
            try check(fgets(&line, 4, input) != nil && text(line) == "fou", "fgets with a short buffer")
        }
    },
    "getline": {
        try withStreams { input, output in
            let long = String(repeating: "x", count: 20_000)
            slowly {
                fputs(long + "\n", output)
                fputs("rest;", output)
                fflush(output)
            }
            var line: UnsafeMutablePointer<CChar>?
            var size = 0
            defer { free(line) }
            try check(getline(&line, &size, input) == 20_001 && size > 20_001, "getline")
            try check(String(cString: line!) == long + "\n", "the line")
            try check(
                getdelim(&line, &size, Int32(UInt8(ascii: ";")), input) == 5 && String(cString: line!) == "rest;", "getdelim")
        }
    },
    "fread": {
        try withStreams { input, output in
            slowly {
                for byte in 0..<10 { fputc(0x30 + Int32(byte), output) }
                fclose(output)
            }
            var bytes = [UInt8](repeating: 0, count: 20)
            try check(getc(input) == 0x30 && ungetc(0x2B, input) == 0x2B && fgetc(input) == 0x2B, "getc and ungetc")
            try check(fread(&bytes, 2, 10, input) == 4, "fread returns whole items")
            try check(Array(bytes[..<9]) == Array("123456789".utf8), "the bytes")
            try check(feof(input) != 0 && getc(input) == EOF, "the end")
        }
    },
    "fscanf": {
        try withStreams { input, output in
            slowly {
                fputs("12 34\n", output)
                fflush(output)
            }
            var (one, other) = (CInt(0), CInt(0))
            let found = withUnsafeMutablePointer(to: &one) { one in
                withUnsafeMutablePointer(to: &other) { other in withVaList([one, other]) { vfscanf(input, "%d %d", $0) } }
            }
            try check(found == 2 && one == 12 && other == 34, "fscanf: \(found), \(one), \(other)")
        }
    },
    "fwrite-full": {
        // More than a pipe holds, written by all the ways of writing, to a reader that begins after 200 ms.
        try withStreams { input, output in
            let line = String(repeating: "abcdefghi ", count: 99) + "0123456789"
            let reading = slowly {
                var bytes = [UInt8](repeating: 0, count: 1_000)
                for number in 0..<120 {
                    try check(fread(&bytes, 1, 1_000, input) == 1_000, "the reader gets everything")
                    try check(memcmp(bytes, line, 1_000) == 0, "in order: \(number)")
                }
                try check(getc(input) == EOF, "and nothing else")
            }
            for _ in 0..<40 {
                try check(fwrite(line, 1, 1_000, output) == 1_000, "fwrite")
                try check(fputs(line, output) >= 0, "fputs")
                try check(line.withCString { text in withVaList([text]) { vfprintf(output, "%s", $0) } } == 1_000, "vfprintf")
            }
            try check(fclose(output) == 0, "fclose")
            try reading.wait()
        }
    },
    "popen": {
        let stream = popen("sleep .2; echo done", "r")!
        var line = [CChar](repeating: 0, count: 100)
        try check(fgets(&line, 100, stream) != nil && text(line) == "done\n", "fgets: \(text(line))")
        try check(pclose(stream) == 0, "pclose")
    },
    "stream-shared": {
        // Two green threads write to one stream, and their lines stay whole, also while it waits.
        try withStreams { input, output in
            let writing = ["a", "b"].map { letter in
                green {
                    let line = String(repeating: letter, count: 9_999) + "\n"
                    for _ in 0..<5 { try check(fputs(line, output) >= 0, "fputs") }
                }
            }
            usleep(200_000)
            let reading = green {
                var line: UnsafeMutablePointer<CChar>?
                var size = 0
                defer { free(line) }
                for _ in 0..<10 {
                    try check(getline(&line, &size, input) == 10_000, "a whole line")
                    try check(memcmp(line!, line! + 1, 9_998) == 0, "of one writer")
                }
            }
            for thread in writing { try thread.wait() }
            fflush(output)
            try reading.wait()
        }
    },
    "stream-cancel": {
        try withStreams { input, output in
            let reading = green {
                var line = [CChar](repeating: 0, count: 100)
                let result = fgets(&line, 100, input)
                return (result == nil, errno, ferror(input) != 0)
            }
            usleep(200_000)
            reading.cancel()
            let (failed, error, hasError) = try reading.wait()
            try check(failed && error == ECANCELED && hasError, "fgets after a cancellation: \(error)")
        }
    },
]

private func text(_ line: [CChar]) -> String { line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } }

/// Runs `body` with a stream for each end of a pipe, or of what `make` makes.
private func withStreams(
    _ make: (UnsafeMutablePointer<CInt>) -> CInt = pipe, _ body: (Stream, Stream) throws -> Void
) throws {
    var pair: [CInt] = [-1, -1]
    try check(make(&pair) == 0, "descriptors")
    let input = fdopen(pair[0], "r")!
    defer { fclose(input) }
    // The other end belongs to the body's green threads, and some close it.
    let output = fdopen(pair[1], "w")!
    try body(input, output)
}

typealias Stream = UnsafeMutablePointer<FILE>

/// Runs `body` on a green thread.
private func green<Success: Sendable>(_ body: @escaping () throws -> Success) -> GreenThread<Success> {
    // The streams are libc's, which locks them.
    nonisolated(unsafe) let body = body
    return spawn { try body() }
}

/// Runs `body` on a green thread after 200 ms.
@discardableResult
private func slowly(_ body: @escaping () throws -> Void) -> GreenThread<Void> {
    green {
        usleep(200_000)
        do { try body() } catch {
            print("failed: \(error)")
            exit(1)
        }
    }
}
