internal import RegistryModel
internal import Synchronization
internal import Tandem

/// The loads in flight, at most one per resource. All callers of a resource wait for the same one.
///
/// Each load is a task on the hub of its first caller. A flight that all its callers have left is cancelled. If its hub stops, its
/// other callers start another one.
final class Flights: Sendable {
    private struct Flight {
        var callers: [Event<RegistryValue>]
        let number: Int
        let task: Task<Void, any Error>
    }

    private let flights = Mutex<[Resource: Flight]>([:])
    private let numbers = Atomic<Int>(0)

    /// The number of flights, and of their callers.
    var counts: (flights: Int, callers: Int) {
        flights.withLock { ($0.count, $0.values.reduce(0) { $0 + $1.callers.count }) }
    }

    /// Waits for the value of a resource. Starts `load` unless it is in flight.
    func join(
        _ resource: Resource, _ cancellation: Cancellation?, load: @escaping @Sendable () async throws -> RegistryValue
    ) async throws -> RegistryValue {
        try cancellation?.check()
        try Task.checkCancellation()
        let arrival = Event<RegistryValue>()
        let flight = numbers.add(1, ordering: .relaxed).newValue
        flights.withLock { flights in
            if flights[resource]?.callers.append(arrival) != nil { return }
            let task = spawn { await self.fly(resource, flight, load) }
            flights[resource] = Flight(callers: [arrival], number: flight, task: task)
        }
        let handler = cancellation?.onCancel { self.leave(resource, arrival) }
        defer { if let handler { cancellation?.remove(handler) } }
        // A caller that was cancelled leaves. After the landing this does nothing.
        defer { leave(resource, arrival) }
        do {
            return try await arrival.wait()
        } catch is CancellationError where !Task.isCancelled && cancellation?.isCancelled != true {
            // The hub of the load has stopped.
            return try await join(resource, cancellation, load: load)
        }
    }

    private func fly(_ resource: Resource, _ flight: Int, _ load: () async throws -> RegistryValue) async {
        do { land(resource, flight, .success(try await load())) } catch { land(resource, flight, .failure(error)) }
    }

    private func leave(_ resource: Resource, _ arrival: Event<RegistryValue>) {
        let abandoned: Task<Void, any Error>? = flights.withLock { flights in
            guard let index = flights[resource]?.callers.firstIndex(where: { $0 === arrival }) else { return nil }
            flights[resource]?.callers.remove(at: index)
            guard flights[resource]?.callers.isEmpty == true else { return nil }
            return flights.removeValue(forKey: resource)?.task
        }
        arrival.fail(CancellationError())
        abandoned?.cancel()
    }

    private func land(_ resource: Resource, _ flight: Int, _ outcome: Result<RegistryValue, any Error>) {
        let callers = flights.withLock { flights in
            flights[resource]?.number == flight ? flights.removeValue(forKey: resource)?.callers : nil
        }
        for arrival in callers ?? [] {
            switch outcome {
            case .success(let value): arrival.send(value)
            case .failure(let error): arrival.fail(error)
            }
        }
    }
}
