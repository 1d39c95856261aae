import Foundation
import Glibc
import LegacyCalls
import Tandem
import TandemPatch

// Blocking clients, unmodified, on green threads of one hub. The tests of TandemPatch run this program: LegacyClients NAME [COUNT].
// It prints what a client needs alone and what COUNT of them need together, and fails unless they overlap.

let name = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : ""
let count = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 100 : 100
if name == "sample" {
    try sample()
    exit(0)
}
if name == "stress" {
    try TandemPatch.install()
    let seed = CommandLine.arguments.count > 3 ? UInt64(CommandLine.arguments[3]) : nil
    do { try Stress.run(handOffs: count, seed: seed ?? .random(in: 1...1_000_000)) } catch {
        print("failed: \(error)")
        exit(1)
    }
    exit(0)
}
if name == "costs-ordinary" || name == "costs-green" {
    // scripts/measure/legacy counts the instructions.
    let (operation, turns) = (CommandLine.arguments[2], Int(CommandLine.arguments[3]) ?? 0)
    try TandemPatch.install()
    let measure: @Sendable () -> CInt = { legacy_costs(operation, turns) }
    let result = try name == "costs-green" ? Hub.run { try await spawn { measure() }.wait() } : measure()
    exit(result)
}
if name.hasPrefix("deadlock") {
    try TandemPatch.install()
    try Hub.run { try await deadlock(name) }
    exit(0)
}
let all = [clients, lockClients, foundationClients, streamClients, kernelClients, cClients, cancellationClients, sharingClients]
    .reduce(into: [:]) { all, more in
        all.merge(more) { $1 }
    }
_ = Upstream.shared
guard let client = all[name] else {
    if name == "list" {
        for name in all.keys.sorted() { print(name) }
        exit(0)
    }
    print("usage: LegacyClients list | NAME [COUNT] | stress [HAND-OFFS [SEED]]")
    exit(64)
}

// In a build with the address sanitizer, getaddrinfo is the sanitizer's.
_ = TandemPatch.installBound(.all)
guard TandemPatch.installed.isSuperset(of: [.io, .locks, .queues]) else { try TandemPatch.install(.all); exit(1) }
do {
    try Hub.run(watched) {
        let (alone, together) = try await measure(name, count: count, client)
        // One after the other they would need a hundred times as long. A hundred processes need some time of two cores.
        guard together < alone * 10 else { throw Failure(message: "\(name): the clients did not overlap") }
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
