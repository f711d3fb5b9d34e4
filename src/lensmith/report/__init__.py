"""A run's facts as one offline HTML page. Never touches a model."""
