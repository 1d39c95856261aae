-- The products and their prices, in a file of SQLite.
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
INSERT INTO products VALUES (1, 'Bicycle bell', 1250), (2, 'Inner tube', 695), (3, 'Touring saddle', 8900);
