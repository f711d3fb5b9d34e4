# A model over HTTP, with no training code's needs: no torch, no CUDA, no compiler. docs/http.md says how to run it.
#
#   docker build -t lensmith .
#   docker run --read-only -p 8000:8000 -e LENSMITH_TOKEN -v ./dogs.lens:/model.lens:ro lensmith

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN python -m venv /opt/lensmith
RUN /opt/lensmith/bin/python -m pip install --no-cache-dir --no-input --constraint constraints.txt ".[serve]"
RUN /opt/lensmith/bin/python -m pip uninstall --yes pip

FROM python:3.12-slim
COPY --from=build /opt/lensmith /opt/lensmith
ENV PATH=/opt/lensmith/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
# A number, so that an orchestrator sees that it is not root; it owns nothing here, and the server writes nothing.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as ask; ask.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# The words themselves, no shell: lensmith is process 1, hears SIGTERM, answers what is open, and ends.
ENTRYPOINT ["lensmith", "serve"]
CMD ["/model.lens", "--host", "0.0.0.0"]
