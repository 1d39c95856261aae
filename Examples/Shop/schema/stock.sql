-- The stock and the orders, in PostgreSQL.
CREATE TABLE stock (
    product integer PRIMARY KEY,
    quantity integer NOT NULL CHECK (quantity >= 0)
);
CREATE TABLE orders (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    customer text NOT NULL,
    product integer NOT NULL REFERENCES stock,
    quantity integer NOT NULL CHECK (quantity > 0),
    cents bigint NOT NULL,
    confirmation text NOT NULL DEFAULT ''
);
INSERT INTO stock VALUES (1, 1000), (2, 1000), (3, 1);
