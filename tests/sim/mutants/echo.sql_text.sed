# What is applied is captured again.
s/"INSERT INTO main.leadx_applying\(reason\) VALUES \('leadx'\)"/"INSERT INTO main.leadx_applying(reason) SELECT 'leadx' WHERE 0"/
