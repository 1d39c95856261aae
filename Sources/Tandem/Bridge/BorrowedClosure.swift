/// A non-escaping closure as its two words, passed from the frame that owns it to the frame that calls it.
///
/// Both bridges pass a closure to another stack and return only when it has run, so the closure never outlives its owner. Swift
/// cannot prove that, and `withoutActuallyEscaping` would allocate a context per call. Swift passes a non-escaping closure
/// parameter as a function pointer and a context pointer and never retains it, exactly as it passes this struct. The casts below
/// depend on that; `BorrowedClosureTests` checks it for debug and release code.
///
/// The owner must be a frame that holds the closure as a parameter until the call has ended.
struct BorrowedClosure {
    private let function: UnsafeRawPointer
    private let context: UnsafeRawPointer?

    /// Borrows a blocking closure.
    @inline(never)
    static func borrow(_ closure: () -> Void) -> BorrowedClosure {
        unsafeBitCast(Identity(function: { $0 }), to: TakesBlocking.self).function(closure)
    }

    /// Borrows an async closure.
    @inline(never)
    static func borrow(_ closure: () async -> Void) -> BorrowedClosure {
        unsafeBitCast(Identity(function: { $0 }), to: TakesAsync.self).function(closure)
    }

    /// Calls the closure, which must have been borrowed as a blocking one.
    func callBlocking() {
        unsafeBitCast(CallsBlocking(function: { $0() }), to: CallsBlockingWords.self).function(self)
    }

    /// Calls the closure, which must have been borrowed as an async one, on the caller's executor.
    func callAsync() async {
        await unsafeBitCast(CallsAsync(function: { await $0() }), to: CallsAsyncWords.self).function(self)
    }
}

// Functions are cast inside structs: as bare generic arguments they would be wrapped in thunks.
private struct Identity { let function: (BorrowedClosure) -> BorrowedClosure }
private struct TakesBlocking { let function: (() -> Void) -> BorrowedClosure }
private struct TakesAsync { let function: (() async -> Void) -> BorrowedClosure }
private struct CallsBlocking { let function: (() -> Void) -> Void }
private struct CallsBlockingWords { let function: (BorrowedClosure) -> Void }
private struct CallsAsync { let function: (() async -> Void) async -> Void }
private struct CallsAsyncWords { let function: (BorrowedClosure) async -> Void }
