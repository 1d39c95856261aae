internal import Testing

@testable import Tandem

/// Both bridges carry closures as two words, without help from the compiler. The tests cover every kind of closure that it makes.
/// Each goes through both bridges, with and without a suspension, in debug and release builds.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct BorrowedClosureTests {
    /// Passes a closure through the blocking bridge, from code that may not know its captures.
    @inline(never)
    static func acrossBlocking<Success, Failure: Error>(
        _ body: () throws(Failure) -> Success
    ) async throws(Failure) -> Success { try await blocking { () throws(Failure) -> Success in try body() } }

    @Test func `a closure without captures is called`() async throws {
        try await onHub {
            await blocking {}
            try await blocking { try awaiting {} }
            try await blocking { try awaiting { await Task.yield() } }
            #expect(await blocking { 1 } == 1)
        }
    }

    @Test func `a function is called`() async throws {
        func local() -> Int { 2 }
        @Sendable func localAsync() async -> Int { await Task.yield(); return 3 }
        try await onHub {
            let two = await blocking(globalFunction)
            let three = try await blocking { try awaiting(localAsync) }
            let description = await blocking(42.description.uppercased)
            #expect((two, three, description) == (2, 3, "42"))
        }
        #expect(await blocking(local) == 2)
    }

    @Test func `a closure with one captured word is called`() async throws {
        try await onHub {
            let number = 41
            let object = Account()
            let values = try await blocking {
                (
                    number + 1,
                    try awaiting {
                        await Task.yield(); return number + 2
                    }
                )
            }
            #expect(values == (42, 43))
            try await blocking {
                object.balance += 1
                try awaiting {
                    await Task.yield()
                    object.balance += 1
                }
            }
            #expect(object.balance == 2)
        }
    }

    @Test func `a closure with many captured values of many types is called`() async throws {
        try await onHub {
            let (a, b, c, d) = (1, 2.5, "three, longer than fifteen bytes", [4, 5, 6])
            let (e, f): (Int?, any Error) = (nil, Failure(number: 7))
            let optional: FailureObject? = FailureObject()
            let text = try await blocking {
                let inside = "\(a) \(b) \(c) \(d) \(e == nil) \(f) \(optional != nil)"
                let beyond = try awaiting {
                    await Task.yield()
                    return "\(a) \(b) \(c) \(d) \(e == nil) \(f) \(optional != nil)"
                }
                #expect(inside == beyond)
                return inside
            }
            #expect(text == "1 2.5 three, longer than fifteen bytes [4, 5, 6] true Failure(number: 7) true")
        }
    }

    @Test func `a closure may change its caller's variables`() async throws {
        try await onHub {
            var number = 0
            var list: [Int] = []
            try await blocking {
                number += 1
                list.append(number)
                try awaiting {
                    number += 1
                    list.append(number)
                    await Task.yield()
                    number += 1
                    list.append(number)
                }
                try sleep(for: .zero)
                number += 1
            }
            #expect(number == 4)
            #expect(list == [1, 2, 3])
        }
    }

    @Test func `a closure may capture an inout parameter`() async throws {
        func change(_ list: inout [Int]) async throws {
            try await blocking {
                list.append(1)
                try changeBlocking(&list)
            }
            list.append(4)
        }
        func changeBlocking(_ list: inout [Int]) throws {
            try awaiting {
                list.append(2)
                await Task.yield()
                list.append(3)
            }
        }
        var list = [0]
        try await change(&list)
        #expect(list == [0, 1, 2, 3, 4])
    }

    @Test func `a closure in a generic function may capture values of unknown layout`() async throws {
        try await onHub {
            let small = try await swapped(1 as UInt8, "x")
            #expect(small == ("x", 1))
            let big = try await swapped((1, 2, 3, 4, 5), [Failure(number: 6)])
            #expect(big.0 == [Failure(number: 6)] && big.1.4 == 5)
            let nested = try await swapped({ 7 }, FailureObject())
            #expect(nested.1() == 7)
            let through = try await Self.acrossBlocking { () throws(TypedFailure) -> [Int] in [8, 9] }
            #expect(through == [8, 9])
        }
    }

    @Test func `a closure may capture another that does not escape`() async throws {
        func twice(_ body: () throws -> Void) async throws {
            try await blocking {
                try body()
                try awaiting {
                    await Task.yield()
                    try body()
                }
            }
        }
        var count = 0
        try await twice { count += 1 }
        #expect(count == 2)
        await #expect(throws: Failure(number: 2)) {
            try await twice {
                count += 1
                if count == 4 { throw Failure(number: 2) }
            }
        }
    }

    @Test func `nested closures each keep their own captures`() async throws {
        try await onHub {
            var log: [Int] = []
            let one = 1
            try await blocking {
                let two = one + 1
                try awaiting {
                    let three = two + one
                    await Task.yield()
                    try await blocking {
                        let four = three + one
                        try awaiting {
                            await Task.yield()
                            log += [one, two, three, four]
                        }
                        log.append(four + one)
                    }
                }
            }
            #expect(log == [1, 2, 3, 4, 5])
        }
    }

    @Test func `a method of a class is called with its self`() async throws {
        try await onHub {
            let account = Account()
            try await account.deposit(5)
            #expect(account.balance == 10)
        }
    }

    @Test func `a closure may throw before and after it waits`() async throws {
        try await onHub {
            for waits in [false, true] {
                let number = 3
                await #expect(throws: Failure(number: 3)) {
                    try await blocking {
                        if waits { try sleep(for: .zero) }
                        throw Failure(number: number)
                    }
                }
                await #expect(throws: TypedFailure.own(3)) {
                    try await blocking { () throws(TypedFailure) -> Void in
                        try awaiting { () async throws(TypedFailure) -> Void in
                            if waits { await Task.yield() }
                            throw .own(number)
                        }
                    }
                }
            }
        }
    }

    @Test func `captured objects are released when the closure's owner releases them, exactly once`() async throws {
        try await onHub {
            weak var object: FailureObject?
            do {
                let strong = FailureObject()
                object = strong
                try await blocking {
                    try awaiting {
                        await Task.yield()
                        withExtendedLifetime(strong) {}
                    }
                    #expect(object != nil)
                }
            }
            #expect(object == nil)
            weak var thrown: FailureObject?
            do {
                try await blocking {
                    let failure = FailureObject()
                    thrown = failure
                    try awaiting { throw failure }
                }
            } catch {}
            #expect(thrown == nil)
        }
    }

    @Test func `the borrowed words call the same closure`() async {
        var calls = 0
        func borrowAndCall(_ body: () -> Void) { BorrowedClosure.borrow(body).callBlocking() }
        func borrowAndCall(_ body: () async -> Void) async { await BorrowedClosure.borrow(body).callAsync() }
        borrowAndCall { calls += 1 }
        await borrowAndCall { () async -> Void in
            calls += 10
            await Task.yield()
            calls += 100
        }
        #expect(calls == 111)
    }

    class Account {
        var balance = 0
        func deposit(_ amount: Int) async throws {
            try await blocking {
                balance += amount
                try awaiting {
                    await Task.yield()
                    self.balance += amount
                }
            }
        }
    }
}

@inline(never)
private func swapped<First, Second>(_ first: First, _ second: Second) async throws -> (Second, First) {
    try await blocking {
        let other = try awaiting {
            await Task.yield(); return second
        }
        return (other, first)
    }
}

private func globalFunction() -> Int { 2 }
