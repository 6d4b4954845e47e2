"""Tables and charts from the store; HTML, Markdown, model card, results.csv."""
