internal import RegistryModel
internal import Synchronization

/// The loads in flight, at most one per resource. All callers of a resource wait for the same one.
///
/// The first caller runs the load itself. A flight that all its callers have left is cancelled.
final class Flights: Sendable {
    private struct Flight {
        var callers: [Event<RegistryValue>]
        let cancellation: Cancellation
    }

    private let flights = Mutex<[Resource: Flight]>([:])

    /// The number of flights, and of their callers.
    var counts: (flights: Int, callers: Int) {
        flights.withLock { ($0.count, $0.values.reduce(0) { $0 + $1.callers.count }) }
    }

    /// Waits for the value of a resource. Starts `load` unless it is in flight.
    func join(
        _ resource: Resource, _ cancellation: Cancellation?, load: (Cancellation) throws -> RegistryValue
    ) throws -> RegistryValue {
        try cancellation?.check()
        let arrival = Event<RegistryValue>()
        let flight = Cancellation()
        let starts = flights.withLock { flights in
            if flights[resource]?.callers.append(arrival) != nil { return false }
            flights[resource] = Flight(callers: [arrival], cancellation: flight)
            return true
        }
        let handler = cancellation?.onCancel { self.leave(resource, arrival) }
        defer { if let handler { cancellation?.remove(handler) } }
        if starts { land(resource, flight, Result { try load(flight) }) }
        return try arrival.wait()
    }

    private func leave(_ resource: Resource, _ arrival: Event<RegistryValue>) {
        let abandoned: Cancellation? = flights.withLock { flights in
            guard let index = flights[resource]?.callers.firstIndex(where: { $0 === arrival }) else { return nil }
            flights[resource]?.callers.remove(at: index)
            guard flights[resource]?.callers.isEmpty == true else { return nil }
            return flights.removeValue(forKey: resource)?.cancellation
        }
        arrival.fail(CancellationError())
        abandoned?.cancel()
    }

    private func land(_ resource: Resource, _ flight: Cancellation, _ outcome: Result<RegistryValue, any Error>) {
        let callers = flights.withLock { flights in
            flights[resource]?.cancellation === flight ? flights.removeValue(forKey: resource)?.callers : nil
        }
        for arrival in callers ?? [] {
            switch outcome {
            case .success(let value): arrival.send(value)
            case .failure(let error): arrival.fail(error)
            }
        }
    }
}
